; Imports: the namespace or type.

(using_directive !name [(identifier) (qualified_name)] @path .) @import
(using_directive name: (_) [(identifier) (qualified_name) (generic_name)] @path .) @import
