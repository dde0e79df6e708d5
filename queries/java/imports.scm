; Imports: the class or package.

(import_declaration [(identifier) (scoped_identifier)] @path) @import
