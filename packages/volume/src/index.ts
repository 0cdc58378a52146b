export type * from "./volume-api.ts";
export { DEFAULT_VOLUME_SETTINGS, type VolumeSettings } from "./settings.ts";
