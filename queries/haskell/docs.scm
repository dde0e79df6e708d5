; Comments stand before what they belong to, and those with a caret inside or behind it.

(comment) @leading.doc
((haddock) @leading.doc (#not-match? @leading.doc "^(--+|\\{-)\\s*\\^"))
((haddock) @doc (#match? @doc "^(--+|\\{-)\\s*\\^"))
