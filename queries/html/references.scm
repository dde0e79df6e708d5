; Elements of the page's own making.

((start_tag (tag_name) @name) @reference.call
  (#match? @name "-"))
((self_closing_tag (tag_name) @name) @reference.call
  (#match? @name "-"))
