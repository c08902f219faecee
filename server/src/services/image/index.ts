// The door of image.
export { type BootImage, getBootImage, openImage } from './boot.ts'
export { imageService } from './service.ts'
export { sweepUnfinished } from './store.ts'
