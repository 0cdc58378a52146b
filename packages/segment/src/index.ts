export type * from "./segment-api.ts";
export { decodePage, encodePage, type StoredPage } from "./page-image.ts";
export { SegmentServer } from "./segment-server.ts";
export { DEFAULT_SETTINGS } from "./settings.ts";
