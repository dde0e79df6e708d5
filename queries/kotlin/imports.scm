; Imports.

(import (qualified_identifier) @path) @import
(import . (identifier) @path) @import
