CREATE TABLE "share_identities" (
	"share_id" text PRIMARY KEY NOT NULL,
	"instance" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "share_identities" ADD CONSTRAINT "share_identities_share_id_shares_id_fk" FOREIGN KEY ("share_id") REFERENCES "shares"("id") ON DELETE cascade ON UPDATE no action;
