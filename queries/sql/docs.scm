; Comments stand before what they belong to.

(comment) @leading.doc
(marginalia) @leading.doc
