ALTER TABLE `shares` ADD `smb_encryption` text;
--> statement-breakpoint
ALTER TABLE `shares` ADD `smb_guest` integer;
--> statement-breakpoint
ALTER TABLE `shares` ADD `smb_continuously_available` integer;
--> statement-breakpoint
INSERT INTO `adapters` SELECT 'smb', 1, 12445, '{}', 1, `created_at`, `updated_at` FROM `adapters` WHERE `type` = 'nfs';
