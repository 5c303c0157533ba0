"""A page in the browser that shows the study; reads, and changes nothing.

The numbers are those of the tools' results; the page draws them. Imported by `surface`.
"""
