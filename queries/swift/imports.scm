; Imports.

(import_declaration (identifier) @path) @import
