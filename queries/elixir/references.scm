; Uses of names. What defines is a call as well, and is taken back.

(call target: (identifier) @name) @reference.call
((call target: (identifier) @name) @reference.none
  (#any-of? @name
    "alias" "def" "defdelegate" "defexception" "defguard" "defguardp" "defimpl" "defmacro" "defmacrop" "defmodule"
    "defp" "defprotocol" "defstruct" "import" "require" "use"))
((call
  target: (identifier) @_def
  (arguments
    . [
      (call target: (identifier) @name)
      (binary_operator left: (call target: (identifier) @name) operator: "when")
    ])) @reference.none
  (#any-of? @_def "def" "defdelegate" "defguard" "defguardp" "defmacro" "defmacrop" "defp"))
(unary_operator operator: "@" operand: (call target: (identifier) @name)) @reference.none
((unary_operator
  operator: "@"
  operand: (call target: (identifier) @_what (arguments . (binary_operator left: (call target: (identifier) @name)))))
  @reference.none
  (#any-of? @_what "callback" "macrocallback" "opaque" "spec" "type" "typep"))
(call target: (dot right: (identifier) @name)) @reference.call
(binary_operator operator: "|>" right: (identifier) @name) @reference.call
(struct (alias) @name) @reference.type
((call target: (identifier) @_def (arguments . (alias) @name)) @reference.implementation
  (#any-of? @_def "defimpl" "use"))
((unary_operator operator: "@" operand: (call target: (identifier) @_what (arguments . (alias) @name)))
  @reference.implementation
  (#eq? @_what "behaviour"))
