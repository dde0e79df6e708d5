; Imports: the module that names are taken from.

(import_statement source: (string (string_fragment) @path)) @import
(export_statement source: (string (string_fragment) @path)) @import
(call_expression
  function: (identifier) @_require
  arguments: (arguments . (string (string_fragment) @path))
  (#eq? @_require "require")) @import
(call_expression function: (import) arguments: (arguments . (string (string_fragment) @path))) @import
(import_require_clause source: (string (string_fragment) @path)) @import
