; Comments stand before what they belong to; attributes are part of it.

(comment) @leading.doc
