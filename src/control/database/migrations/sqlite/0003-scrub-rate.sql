ALTER TABLE `shares` ADD `scrub_rate` integer;
