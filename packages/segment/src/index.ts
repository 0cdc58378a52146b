export type * from "./segment-api.ts";
export { DEFAULT_SETTINGS } from "./settings.ts";
export { encodePage, isSound } from "./page-image.ts";
export { LogSkim } from "./log-skim.ts";
export { SegmentServer } from "./segment-server.ts";
