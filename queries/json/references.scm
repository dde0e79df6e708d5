; What a schema refers to.

((pair key: (string (string_content) @_key) value: (string (string_content) @name)) @reference.type
  (#eq? @_key "$ref"))
