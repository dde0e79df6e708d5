; Uses of custom properties.

((call_expression (function_name) @_var (arguments . (plain_value) @name)) @reference.call
  (#eq? @_var "var"))
