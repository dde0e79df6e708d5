; Comments and attributes stand before what they belong to; a module's documentation stands inside.

(comment) @leading.doc

((unary_operator operator: "@" operand: (call target: (identifier) @_what)) @leading
  (#any-of? @_what "deprecated" "dialyzer" "doc" "impl" "since" "spec" "tag" "typedoc"))

((call target: (identifier) @_what (arguments . (string) @doc))
  (#any-of? @_what "doc" "moduledoc" "typedoc"))
((call target: (identifier) @_what (arguments . (sigil) @doc))
  (#any-of? @_what "doc" "moduledoc" "typedoc"))
