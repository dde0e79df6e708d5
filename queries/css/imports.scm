; Style sheets that are imported.

(import_statement (string_value (string_content) @path)) @import
(import_statement (call_expression (arguments (plain_value) @path))) @import
(import_statement (call_expression (arguments (string_value (string_content) @path)))) @import
