; Comments, where a reader of this file allows them.

(comment) @leading.doc
