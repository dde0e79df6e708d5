; Includes: the file.

(preproc_include path: (string_literal (string_content) @path)) @import
(preproc_include path: (system_lib_string) @path) @import
(using_declaration (qualified_identifier) @path) @import
