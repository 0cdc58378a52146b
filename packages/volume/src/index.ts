export { closeDecisions } from "./closer.ts";
export { DEFAULT_VOLUME_SETTINGS, type VolumeSettings } from "./settings.ts";
export type { JoinAnswer } from "./node-list.ts";
export type * from "./volume-api.ts";
export { Volume } from "./volume.ts";
