; What is loaded.

(call
  method: (identifier) @_require
  arguments: (argument_list . (string (string_content) @path))
  (#any-of? @_require "require" "require_relative" "load")) @import
(call
  method: (identifier) @_require
  arguments: (argument_list . (simple_symbol) (string (string_content) @path))
  (#eq? @_require "autoload")) @import
