/**
 * Who has which file of a share open, one table for every protocol (MS-FSA 2.1.1.6): what opens let each other do, what clients may cache
 * of a file (oplocks and leases) and when they are told to stop, and names that go with the last close.
 */
export { OpenFile, type OpenRequest, type Place } from "./open-file.ts";
export { OpenTable } from "./open-table.ts";
