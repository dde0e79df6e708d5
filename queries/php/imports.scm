; Imports: the class, function or namespace, and files that are included.

(namespace_use_clause [(name) (qualified_name)] @path) @import
(require_expression (string (string_content) @path)) @import
(require_once_expression (string (string_content) @path)) @import
(include_expression (string (string_content) @path)) @import
(include_once_expression (string (string_content) @path)) @import
(require_once_expression (binary_expression right: (string (string_content) @path))) @import
(require_expression (binary_expression right: (string (string_content) @path))) @import
