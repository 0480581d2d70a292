ALTER TABLE "shares" ADD COLUMN "scrub_rate" bigint;
