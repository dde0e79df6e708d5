; Imports: the module, or the module that names are taken from.

(import_statement name: (dotted_name) @path) @import
(import_statement name: (aliased_import name: (dotted_name) @path)) @import
(import_from_statement module_name: (_) @path) @import
(future_import_statement name: (dotted_name) @path) @import
