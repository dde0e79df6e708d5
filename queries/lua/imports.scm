; Modules that are required.

(function_call
  name: (identifier) @_require
  arguments: (arguments . (string content: (string_content) @path))
  (#any-of? @_require "require" "dofile" "loadfile")) @import
