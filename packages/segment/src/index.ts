export type * from "./segment-api.ts";
export { SegmentServer } from "./segment-server.ts";
