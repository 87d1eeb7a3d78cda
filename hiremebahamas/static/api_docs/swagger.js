"use strict";

const element = document.getElementById("documentation");

SwaggerUIBundle({
  url: element.dataset.schema,
  domNode: element,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  // It would send the schema's address to a server of theirs.
  validatorUrl: null,
});
