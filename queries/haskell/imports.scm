; Imports.

(import module: (module) @path) @import
