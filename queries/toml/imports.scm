; Packages that a manifest depends on.

((table . (_) @_table (pair . (_) @path) @import)
  (#match? @_table "dependencies$"))
