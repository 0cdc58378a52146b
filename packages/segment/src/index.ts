export type * from "./segment-api.ts";
export { DEFAULT_SETTINGS } from "./settings.ts";
