; Scripts that are sourced.

((command name: (command_name (word) @_source) . argument: (word) @path) @import
  (#any-of? @_source "source" "."))
((command name: (command_name (word) @_source) . argument: (string (string_content) @path .)) @import
  (#any-of? @_source "source" "."))
((command name: (command_name (word) @_source) . argument: (raw_string) @path) @import
  (#any-of? @_source "source" "."))
