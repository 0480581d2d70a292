CREATE TABLE `share_identities` (
	`share_id` text PRIMARY KEY NOT NULL,
	`instance` text NOT NULL,
	FOREIGN KEY (`share_id`) REFERENCES `shares`(`id`) ON UPDATE no action ON DELETE cascade
);
