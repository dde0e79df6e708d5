; Packages that a manifest depends on, and files that a configuration extends.

((document
  (object
    (pair
      key: (string (string_content) @_key)
      value: (object (pair key: (string (string_content) @path)) @import))))
  (#any-of? @_key "dependencies" "devDependencies" "optionalDependencies" "peerDependencies"))
((document
  (object (pair key: (string (string_content) @_key) value: (string (string_content) @path)) @import))
  (#eq? @_key "extends"))
