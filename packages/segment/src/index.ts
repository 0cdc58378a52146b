export type * from "./segment-api.ts";
export { LogSkim } from "./log-skim.ts";
export { SegmentServer } from "./segment-server.ts";
