; Modules that are brought in.

((call target: (identifier) @_how (arguments . (alias) @path)) @import
  (#any-of? @_how "alias" "import" "require" "use"))
((call target: (identifier) @_how (arguments . (dot right: (tuple)) @path)) @import
  (#any-of? @_how "alias" "import" "require" "use"))
