; Comments stand before what they belong to; annotations are part of it.

(line_comment) @leading.doc
(block_comment) @leading.doc
