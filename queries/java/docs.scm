; Comments stand before what they belong to; annotations are part of it.

(block_comment) @leading.doc
(line_comment) @leading.doc
