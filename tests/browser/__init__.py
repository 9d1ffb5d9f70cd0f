"""The console in a real browser, before a real service: `make test-browser`.

pages       every page, listed once          site   a running installation, and who looks at it
furnish     a bit of everything to look at   hands  by the mouse, or by the keyboard alone
looks       what is wrong with how a page looks (looks.js), and what axe says
screenshots every page in every language, theme and width: `make screenshots`
"""
