; Comments stand before what they belong to; annotations are part of it.

(comment) @leading.doc
(block_comment) @leading.doc
