; Comments and attributes stand before the item they belong to.

(line_comment) @leading
(block_comment) @leading
(attribute_item) @leading

(line_comment doc: (doc_comment)) @doc
(block_comment doc: (doc_comment)) @doc
