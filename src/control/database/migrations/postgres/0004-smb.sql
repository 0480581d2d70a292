ALTER TABLE "shares" ADD COLUMN "smb_encryption" text;
--> statement-breakpoint
ALTER TABLE "shares" ADD COLUMN "smb_guest" boolean;
--> statement-breakpoint
ALTER TABLE "shares" ADD COLUMN "smb_continuously_available" boolean;
--> statement-breakpoint
INSERT INTO "adapters" SELECT 'smb', true, 12445, '{}', 1, "created_at", "updated_at" FROM "adapters" WHERE "type" = 'nfs';
