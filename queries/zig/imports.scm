; Files and packages that are imported.

((builtin_function (builtin_identifier) @_import (arguments (string (string_content) @path))) @import
  (#eq? @_import "@import"))
