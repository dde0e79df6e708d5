; Comments and decorators stand before what they belong to.

(comment) @leading.doc
(decorator) @leading
