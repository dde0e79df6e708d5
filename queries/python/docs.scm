; Comments stand before what they belong to, docstrings inside.

(comment) @leading

(module . (expression_statement (string) @doc))
(module . (comment) . (expression_statement (string) @doc))
(class_definition body: (block . (expression_statement (string) @doc)))
(function_definition body: (block . (expression_statement (string) @doc)))
