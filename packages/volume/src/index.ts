export { DEFAULT_VOLUME_SETTINGS, type VolumeSettings } from "./settings.ts";
export type * from "./volume-api.ts";
export { Volume } from "./volume.ts";
