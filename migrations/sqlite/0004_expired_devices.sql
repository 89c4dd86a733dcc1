-- Devices are swept some time after their client profile has expired.
CREATE INDEX devices_expired ON devices (client_expires, identity);
