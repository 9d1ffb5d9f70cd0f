-- What the console tells of things that were begun: a mailbox whose test fails, a link that was opened.

ALTER TABLE mailboxes ADD COLUMN test_failed TEXT NOT NULL DEFAULT ''; -- why, while no test was good; '' = none failed
ALTER TABLE connect_links ADD COLUMN opened_at REAL;                   -- when somebody last went on to Microsoft by it
