"use strict";

const element = document.getElementById("documentation");

Redoc.init(element.dataset.schema, {}, element);
