; Imports: the last part of the path, and each name that braces list.

(import_declaration (identifier) @path . (namespace_wildcard)) @import
(import_declaration (identifier) @path .) @import
(import_declaration (namespace_selectors (identifier) @path)) @import
(import_declaration (namespace_selectors (arrow_renamed_identifier name: (identifier) @path))) @import
(import_declaration (namespace_selectors (as_renamed_identifier name: (identifier) @path))) @import
